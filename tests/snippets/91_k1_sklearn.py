# KerasClassifier / KerasRegressor
# and a grid search. Needs scikit-learn.
import numpy as np
np.random.seed(77)
try:
    import sklearn
    from sklearn.model_selection import GridSearchCV
except ImportError:
    print('SKIP: scikit-learn is not installed')
    raise SystemExit(0)
from keras.models import Sequential
from keras.layers import Dense
from keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

lab = np.random.randint(0, 2, 60)
x = np.random.randn(60, 4) + 3 * lab[:, None]


def build(hidden=4, optimizer='adam'):
    m = Sequential()
    m.add(Dense(hidden, input_dim=4, activation='relu'))
    m.add(Dense(2, activation='softmax'))
    m.compile(loss='categorical_crossentropy', optimizer=optimizer, metrics=['accuracy'])
    return m

clf = KerasClassifier(build_fn=build, hidden=6, batch_size=10, nb_epoch=15)
clf.fit(x, lab, verbose=0)
p = clf.predict(x, verbose=0)
assert p.shape == (60,) and set(np.unique(p)) <= {0, 1}
pr = clf.predict_proba(x, verbose=0)
assert pr.shape == (60, 2) and np.allclose(pr.sum(1), 1, atol=1e-4)
s = clf.score(x, lab, verbose=0)
assert abs(s - (p == lab).mean()) < 1e-4 and clf.get_params()['hidden'] == 6
try:
    KerasClassifier(build_fn=build, no_such_argument=1)
except ValueError:
    pass
else:
    raise AssertionError('an argument nobody takes must raise')


def reg(hidden=4):
    m = Sequential()
    m.add(Dense(hidden, input_dim=4, activation='tanh'))
    m.add(Dense(1))
    m.compile(loss='mean_squared_error', optimizer='adam')
    return m

r = KerasRegressor(build_fn=reg, nb_epoch=2, batch_size=10)
r.fit(x, x.sum(1), verbose=0)
assert r.predict(x, verbose=0).shape == (60,) and np.isfinite(r.score(x, x.sum(1), verbose=0))

try:
    g = GridSearchCV(KerasClassifier(build_fn=build, verbose=0), {'batch_size': [10, 30], 'nb_epoch': [1], 'hidden': [3]}, cv=2)
    g.fit(x, lab)
    assert set(g.best_params_) == {'batch_size', 'nb_epoch', 'hidden'}
except (AttributeError, TypeError) as e:           # newer scikit-learn wants a real BaseEstimator
    print('grid search not possible with scikit-learn %s: %s' % (sklearn.__version__, e))
