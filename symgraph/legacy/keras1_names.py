"""The public names of Keras 1, by module, with their documented signatures: what `symgraph.keras1` offers.

A line is `name(arguments)`, `class Name(arguments)`, `name = other name`, `name from module` or `name: data`;
indented lines go on. Defaults that read a setting (`_FLOATX`, `K.floatx()`) are evaluated when the call is made.
"""

from __future__ import annotations

__all__ = ["NAMES"]

NAMES = """
[keras]
backend from keras.backend
datasets from keras.datasets
engine from keras.engine
layers from keras.layers
preprocessing from keras.preprocessing
utils from keras.utils
wrappers from keras.wrappers
callbacks from keras.callbacks
constraints from keras.constraints
initializations from keras.initializations
metrics from keras.metrics
models from keras.models
objectives from keras.objectives
optimizers from keras.optimizers
regularizers from keras.regularizers
[keras.activations]
softmax(x)
elu(x, alpha=1.0)
softplus(x)
softsign(x)
relu(x, alpha=0.0, max_value=None)
tanh(x)
sigmoid(x)
hard_sigmoid(x)
linear(x)
get(identifier)
[keras.callbacks]
class CallbackList(callbacks=[], queue_length=10)
class Callback()
class BaseLogger
class ProgbarLogger
class History
class ModelCheckpoint(filepath, monitor='val_loss', verbose=0, save_best_only=False, save_weights_only=False,
    mode='auto')
class EarlyStopping(monitor='val_loss', min_delta=0, patience=0, verbose=0, mode='auto')
class RemoteMonitor(root='http://localhost:9000', path='/publish/epoch/end/', field='data')
class LearningRateScheduler(schedule)
class TensorBoard(log_dir='./logs', histogram_freq=0, write_graph=True, write_images=False)
class ReduceLROnPlateau(monitor='val_loss', factor=0.1, patience=10, verbose=0, mode='auto', epsilon=0.0001,
    cooldown=0, min_lr=0)
class CSVLogger(filename, separator=',', append=False)
class LambdaCallback(on_epoch_begin=None, on_epoch_end=None, on_batch_begin=None, on_batch_end=None,
    on_train_begin=None, on_train_end=None, **kwargs)
[keras.constraints]
class Constraint
class MaxNorm(m=2, axis=0)
class NonNeg
class UnitNorm(axis=0)
maxnorm = MaxNorm
nonneg = NonNeg
unitnorm = UnitNorm
get(identifier, kwargs=None)
[keras.initializations]
get_fans(shape, dim_ordering='th')
uniform(shape, scale=0.05, name=None)
normal(shape, scale=0.05, name=None)
lecun_uniform(shape, name=None, dim_ordering='th')
glorot_normal(shape, name=None, dim_ordering='th')
glorot_uniform(shape, name=None, dim_ordering='th')
he_normal(shape, name=None, dim_ordering='th')
he_uniform(shape, name=None, dim_ordering='th')
orthogonal(shape, scale=1.1, name=None)
identity(shape, scale=1, name=None)
zero(shape, name=None)
one(shape, name=None)
get(identifier, **kwargs)
[keras.metrics]
binary_accuracy(y_true, y_pred)
categorical_accuracy(y_true, y_pred)
sparse_categorical_accuracy(y_true, y_pred)
top_k_categorical_accuracy(y_true, y_pred, k=5)
mean_squared_error(y_true, y_pred)
mean_absolute_error(y_true, y_pred)
mean_absolute_percentage_error(y_true, y_pred)
mean_squared_logarithmic_error(y_true, y_pred)
hinge(y_true, y_pred)
squared_hinge(y_true, y_pred)
categorical_crossentropy(y_true, y_pred)
sparse_categorical_crossentropy(y_true, y_pred)
binary_crossentropy(y_true, y_pred)
kullback_leibler_divergence(y_true, y_pred)
poisson(y_true, y_pred)
cosine_proximity(y_true, y_pred)
matthews_correlation(y_true, y_pred)
precision(y_true, y_pred)
recall(y_true, y_pred)
fbeta_score(y_true, y_pred, beta=1)
fmeasure(y_true, y_pred)
mse = mean_squared_error
MSE = mean_squared_error
mae = mean_absolute_error
MAE = mean_absolute_error
mape = mean_absolute_percentage_error
MAPE = mean_absolute_percentage_error
msle = mean_squared_logarithmic_error
MSLE = mean_squared_logarithmic_error
cosine = cosine_proximity
fscore = fmeasure
f1score = fmeasure
get(identifier)
[keras.models]
save_model(model, filepath, overwrite=True)
load_model(filepath, custom_objects={})
model_from_config(config, custom_objects={})
model_from_yaml(yaml_string, custom_objects={})
model_from_json(json_string, custom_objects={})
class Sequential(layers=[], name=None)
[keras.objectives]
mean_squared_error(y_true, y_pred)
mean_absolute_error(y_true, y_pred)
mean_absolute_percentage_error(y_true, y_pred)
mean_squared_logarithmic_error(y_true, y_pred)
squared_hinge(y_true, y_pred)
hinge(y_true, y_pred)
categorical_crossentropy(y_true, y_pred)
sparse_categorical_crossentropy(y_true, y_pred)
binary_crossentropy(y_true, y_pred)
kullback_leibler_divergence(y_true, y_pred)
poisson(y_true, y_pred)
cosine_proximity(y_true, y_pred)
mse = mean_squared_error
MSE = mean_squared_error
mae = mean_absolute_error
MAE = mean_absolute_error
mape = mean_absolute_percentage_error
MAPE = mean_absolute_percentage_error
msle = mean_squared_logarithmic_error
MSLE = mean_squared_logarithmic_error
kld = kullback_leibler_divergence
KLD = kullback_leibler_divergence
cosine = cosine_proximity
get(identifier)
[keras.optimizers]
clip_norm(g, c, n)
optimizer_from_config(config, custom_objects={})
class Optimizer(**kwargs)
class SGD(lr=0.01, momentum=0.0, decay=0.0, nesterov=False, **kwargs)
class RMSprop(lr=0.001, rho=0.9, epsilon=1e-08, decay=0.0, **kwargs)
class Adagrad(lr=0.01, epsilon=1e-08, decay=0.0, **kwargs)
class Adadelta(lr=1.0, rho=0.95, epsilon=1e-08, decay=0.0, **kwargs)
class Adam(lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08, decay=0.0, **kwargs)
class Adamax(lr=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-08, decay=0.0, **kwargs)
class Nadam(lr=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-08, schedule_decay=0.004, **kwargs)
class TFOptimizer(optimizer)
sgd = SGD
rmsprop = RMSprop
adagrad = Adagrad
adadelta = Adadelta
adam = Adam
adamax = Adamax
nadam = Nadam
get(identifier, kwargs=None)
[keras.regularizers]
class Regularizer
class EigenvalueRegularizer(k)
class WeightRegularizer(l1=0.0, l2=0.0)
class ActivityRegularizer(l1=0.0, l2=0.0)
l1(l=0.01)
l2(l=0.01)
l1l2(l1=0.01, l2=0.01)
activity_l1(l=0.01)
activity_l2(l=0.01)
activity_l1l2(l1=0.01, l2=0.01)
get(identifier, kwargs=None)
[keras.applications]
VGG16 from keras.applications.vgg16
VGG19 from keras.applications.vgg19
ResNet50 from keras.applications.resnet50
InceptionV3 from keras.applications.inception_v3
Xception from keras.applications.xception
[keras.applications.audio_conv_utils]
TAGS: data
librosa_exists()
preprocess_input(audio_path, dim_ordering='default')
decode_predictions(preds, top_n=5)
[keras.applications.imagenet_utils]
CLASS_INDEX: data
CLASS_INDEX_PATH: data
preprocess_input(x, dim_ordering='default')
decode_predictions(preds, top=5)
[keras.applications.inception_v3]
TH_WEIGHTS_PATH: data
TF_WEIGHTS_PATH: data
TH_WEIGHTS_PATH_NO_TOP: data
TF_WEIGHTS_PATH_NO_TOP: data
conv2d_bn(x, nb_filter, nb_row, nb_col, border_mode='same', subsample=(1, 1), name=None)
InceptionV3(include_top=True, weights='imagenet', input_tensor=None)
preprocess_input(x)
[keras.applications.music_tagger_crnn]
TH_WEIGHTS_PATH: data
TF_WEIGHTS_PATH: data
MusicTaggerCRNN(weights='msd', input_tensor=None, include_top=True)
[keras.applications.resnet50]
TH_WEIGHTS_PATH: data
TF_WEIGHTS_PATH: data
TH_WEIGHTS_PATH_NO_TOP: data
TF_WEIGHTS_PATH_NO_TOP: data
identity_block(input_tensor, kernel_size, filters, stage, block)
conv_block(input_tensor, kernel_size, filters, stage, block, strides=(2, 2))
ResNet50(include_top=True, weights='imagenet', input_tensor=None)
[keras.applications.vgg16]
TH_WEIGHTS_PATH: data
TF_WEIGHTS_PATH: data
TH_WEIGHTS_PATH_NO_TOP: data
TF_WEIGHTS_PATH_NO_TOP: data
VGG16(include_top=True, weights='imagenet', input_tensor=None)
[keras.applications.vgg19]
TH_WEIGHTS_PATH: data
TF_WEIGHTS_PATH: data
TH_WEIGHTS_PATH_NO_TOP: data
TF_WEIGHTS_PATH_NO_TOP: data
VGG19(include_top=True, weights='imagenet', input_tensor=None)
[keras.applications.xception]
TF_WEIGHTS_PATH: data
TF_WEIGHTS_PATH_NO_TOP: data
Xception(include_top=True, weights='imagenet', input_tensor=None)
preprocess_input(x)
[keras.backend]
backend()
epsilon()
floatx()
set_epsilon(e)
set_floatx(floatx)
get_uid(prefix='')
cast_to_floatx(x)
image_dim_ordering()
set_image_dim_ordering(dim_ordering)
is_keras_tensor(x)
legacy_weight_ordering()
set_legacy_weight_ordering(value)
learning_phase()
set_learning_phase(value)
is_sparse(tensor)
to_dense(tensor)
variable(value, dtype=_FLOATX, name=None)
placeholder(shape=None, ndim=None, dtype=_FLOATX, sparse=False, name=None)
shape(x)
ndim(x)
dtype(x)
eval(x)
zeros(shape, dtype=_FLOATX, name=None)
ones(shape, dtype=_FLOATX, name=None)
eye(size, dtype=_FLOATX, name=None)
ones_like(x, name=None)
zeros_like(x, name=None)
random_uniform_variable(shape, low, high, dtype=_FLOATX, name=None, seed=None)
random_normal_variable(shape, mean, scale, dtype=_FLOATX, name=None, seed=None)
count_params(x)
cast(x, dtype)
update(x, new_x)
update_add(x, increment)
update_sub(x, decrement)
moving_average_update(variable, value, momentum)
dot(x, y)
batch_dot(x, y, axes=None)
transpose(x)
gather(reference, indices)
max(x, axis=None, keepdims=False)
min(x, axis=None, keepdims=False)
sum(x, axis=None, keepdims=False)
prod(x, axis=None, keepdims=False)
mean(x, axis=None, keepdims=False)
std(x, axis=None, keepdims=False)
var(x, axis=None, keepdims=False)
any(x, axis=None, keepdims=False)
all(x, axis=None, keepdims=False)
argmax(x, axis=-1)
argmin(x, axis=-1)
square(x)
abs(x)
sqrt(x)
exp(x)
log(x)
round(x)
sign(x)
pow(x, a)
clip(x, min_value, max_value)
equal(x, y)
not_equal(x, y)
greater(x, y)
greater_equal(x, y)
lesser(x, y)
lesser_equal(x, y)
maximum(x, y)
minimum(x, y)
sin(x)
cos(x)
normalize_batch_in_training(x, gamma, beta, reduction_axes, epsilon=0.0001)
batch_normalization(x, mean, var, beta, gamma, epsilon=0.0001)
concatenate(tensors, axis=-1)
reshape(x, shape)
permute_dimensions(x, pattern)
repeat_elements(x, rep, axis)
resize_images(X, height_factor, width_factor, dim_ordering)
resize_volumes(X, depth_factor, height_factor, width_factor, dim_ordering)
repeat(x, n)
tile(x, n)
flatten(x)
batch_flatten(x)
expand_dims(x, dim=-1)
squeeze(x, axis)
temporal_padding(x, padding=1)
asymmetric_temporal_padding(x, left_pad=1, right_pad=1)
spatial_2d_padding(x, padding=(1, 1), dim_ordering='default')
asymmetric_spatial_2d_padding(x, top_pad=1, bottom_pad=1, left_pad=1, right_pad=1, dim_ordering='default')
spatial_3d_padding(x, padding=(1, 1, 1), dim_ordering='default')
pack(x)
one_hot(indices, nb_classes)
reverse(x, axes)
get_value(x)
batch_get_value(xs)
set_value(x, value)
batch_set_value(tuples)
get_variable_shape(x)
print_tensor(x, message='')
class Function(inputs, outputs, updates=[])
function(inputs, outputs, updates=[], **kwargs)
gradients(loss, variables)
stop_gradient(variables)
rnn(step_function, inputs, initial_states, go_backwards=False, mask=None, constants=None, unroll=False,
    input_length=None)
switch(condition, then_expression, else_expression)
in_train_phase(x, alt)
in_test_phase(x, alt)
elu(x, alpha=1.0)
relu(x, alpha=0.0, max_value=None)
softmax(x)
softplus(x)
softsign(x)
categorical_crossentropy(output, target, from_logits=False)
sparse_categorical_crossentropy(output, target, from_logits=False)
binary_crossentropy(output, target, from_logits=False)
sigmoid(x)
hard_sigmoid(x)
tanh(x)
dropout(x, level, noise_shape=None, seed=None)
l2_normalize(x, axis)
in_top_k(predictions, targets, k)
conv1d(x, kernel, stride=1, border_mode='valid', image_shape=None, filter_shape=None)
conv2d(x, kernel, strides=(1, 1), border_mode='valid', dim_ordering='default', image_shape=None,
    filter_shape=None, filter_dilation=(1, 1))
deconv2d(x, kernel, output_shape, strides=(1, 1), border_mode='valid', dim_ordering='default', image_shape=None,
    filter_shape=None)
atrous_conv2d(x, kernel, rate=1, border_mode='valid', dim_ordering='default', image_shape=None,
    filter_shape=None)
separable_conv2d(x, depthwise_kernel, pointwise_kernel, strides=(1, 1), border_mode='valid',
    dim_ordering='default')
conv3d(x, kernel, strides=(1, 1, 1), border_mode='valid', dim_ordering='default', volume_shape=None,
    filter_shape=None)
pool2d(x, pool_size, strides=(1, 1), border_mode='valid', dim_ordering='default', pool_mode='max')
pool3d(x, pool_size, strides=(1, 1, 1), border_mode='valid', dim_ordering='default', pool_mode='max')
random_normal(shape, mean=0.0, std=1.0, dtype=_FLOATX, seed=None)
random_uniform(shape, low=0.0, high=1.0, dtype=_FLOATX, seed=None)
random_binomial(shape, p=0.0, dtype=_FLOATX, seed=None)
ctc_interleave_blanks(Y)
ctc_create_skip_idxs(Y)
ctc_update_log_p(skip_idxs, zeros, active, log_p_curr, log_p_prev)
ctc_path_probs(predict, Y, alpha=0.0001)
ctc_cost(predict, Y)
ctc_batch_cost(y_true, y_pred, input_length, label_length)
map_fn(fn, elems, name=None)
foldl(fn, elems, initializer=None, name=None)
foldr(fn, elems, initializer=None, name=None)
clear_session()
manual_variable_initialization(value)
get_session()
set_session(session)
int_shape(x)
ctc_label_dense_to_sparse(labels, label_lengths)
ctc_decode(y_pred, input_length, greedy=True, beam_width=100, top_paths=1)
reset_uids()
[keras.datasets]
[keras.datasets.cifar]
load_batch(fpath, label_key='labels')
[keras.datasets.cifar10]
load_data()
[keras.datasets.cifar100]
load_data(label_mode='fine')
[keras.datasets.data_utils]
[keras.datasets.imdb]
load_data(path='imdb_full.pkl', nb_words=None, skip_top=0, maxlen=None, seed=113, start_char=1, oov_char=2,
    index_from=3)
get_word_index(path='imdb_word_index.pkl')
[keras.datasets.mnist]
load_data(path='mnist.pkl.gz')
[keras.datasets.reuters]
load_data(path='reuters.pkl', nb_words=None, skip_top=0, maxlen=None, test_split=0.2, seed=113, start_char=1,
    oov_char=2, index_from=3)
get_word_index(path='reuters_word_index.pkl')
[keras.engine]
InputSpec from keras.engine.topology
Input from keras.engine.topology
InputLayer from keras.engine.topology
Layer from keras.engine.topology
Merge from keras.engine.topology
merge from keras.engine.topology
get_source_inputs from keras.engine.topology
Model from keras.engine.training
[keras.engine.topology]
to_list(x)
class InputSpec(dtype=None, shape=None, ndim=None)
class Node(outbound_layer, inbound_layers, node_indices, tensor_indices, input_tensors, output_tensors,
    input_masks, output_masks, input_shapes, output_shapes)
class Layer(**kwargs)
class InputLayer(input_shape=None, batch_input_shape=None, input_dtype=None, input_tensor=None, sparse=False,
    name=None)
Input(shape=None, batch_shape=None, name=None, dtype=K.floatx(), sparse=False, tensor=None)
class Merge(layers=None, mode='sum', concat_axis=-1, dot_axes=-1, output_shape=None, output_mask=None,
    arguments={}, node_indices=None, tensor_indices=None, name=None)
merge(inputs, mode='sum', concat_axis=-1, dot_axes=-1, output_shape=None, output_mask=None, arguments={},
    name=None)
class Container(input, output, name=None)
get_source_inputs(tensor, layer=None, node_index=None)
[keras.engine.training]
standardize_input_data(data, names, shapes=None, check_batch_dim=True, exception_prefix='')
standardize_sample_or_class_weights(x_weight, output_names, weight_type)
standardize_class_weights(class_weight, output_names)
standardize_sample_weights(sample_weight, output_names)
check_array_lengths(X, Y, W)
check_loss_and_target_compatibility(targets, losses, output_shapes)
collect_metrics(metrics, output_names)
batch_shuffle(index_array, batch_size)
make_batches(size, batch_size)
slice_X(X, start=None, stop=None)
weighted_objective(fn)
standardize_weights(y, sample_weight=None, class_weight=None, sample_weight_mode=None)
generator_queue(generator, max_q_size=10, wait_time=0.05, nb_worker=1, pickle_safe=False)
class Model
[keras.layers]
Layer from keras.engine.topology
Input from keras.engine.topology
InputLayer from keras.engine.topology
Merge from keras.engine.topology
merge from keras.engine.topology
InputSpec from keras.engine.topology
Masking from keras.layers.core
Dropout from keras.layers.core
SpatialDropout1D from keras.layers.core
SpatialDropout2D from keras.layers.core
SpatialDropout3D from keras.layers.core
Activation from keras.layers.core
Reshape from keras.layers.core
Permute from keras.layers.core
Flatten from keras.layers.core
RepeatVector from keras.layers.core
Lambda from keras.layers.core
Dense from keras.layers.core
ActivityRegularization from keras.layers.core
MaxoutDense from keras.layers.core
Highway from keras.layers.core
TimeDistributedDense from keras.layers.core
Convolution1D from keras.layers.convolutional
AtrousConvolution1D from keras.layers.convolutional
Convolution2D from keras.layers.convolutional
Deconvolution2D from keras.layers.convolutional
AtrousConvolution2D from keras.layers.convolutional
SeparableConvolution2D from keras.layers.convolutional
Convolution3D from keras.layers.convolutional
UpSampling1D from keras.layers.convolutional
UpSampling2D from keras.layers.convolutional
UpSampling3D from keras.layers.convolutional
ZeroPadding1D from keras.layers.convolutional
ZeroPadding2D from keras.layers.convolutional
ZeroPadding3D from keras.layers.convolutional
Cropping1D from keras.layers.convolutional
Cropping2D from keras.layers.convolutional
Cropping3D from keras.layers.convolutional
Conv1D from keras.layers.convolutional
Conv2D from keras.layers.convolutional
Conv3D from keras.layers.convolutional
Deconv2D from keras.layers.convolutional
AtrousConv1D from keras.layers.convolutional
AtrousConv2D from keras.layers.convolutional
SeparableConv2D from keras.layers.convolutional
MaxPooling1D from keras.layers.pooling
AveragePooling1D from keras.layers.pooling
MaxPooling2D from keras.layers.pooling
AveragePooling2D from keras.layers.pooling
MaxPooling3D from keras.layers.pooling
AveragePooling3D from keras.layers.pooling
GlobalAveragePooling1D from keras.layers.pooling
GlobalMaxPooling1D from keras.layers.pooling
GlobalAveragePooling2D from keras.layers.pooling
GlobalMaxPooling2D from keras.layers.pooling
GlobalAveragePooling3D from keras.layers.pooling
GlobalMaxPooling3D from keras.layers.pooling
LocallyConnected1D from keras.layers.local
LocallyConnected2D from keras.layers.local
time_distributed_dense from keras.layers.recurrent
Recurrent from keras.layers.recurrent
SimpleRNN from keras.layers.recurrent
GRU from keras.layers.recurrent
LSTM from keras.layers.recurrent
BatchNormalization from keras.layers.normalization
Embedding from keras.layers.embeddings
GaussianNoise from keras.layers.noise
GaussianDropout from keras.layers.noise
LeakyReLU from keras.layers.advanced_activations
PReLU from keras.layers.advanced_activations
ELU from keras.layers.advanced_activations
ParametricSoftplus from keras.layers.advanced_activations
ThresholdedReLU from keras.layers.advanced_activations
SReLU from keras.layers.advanced_activations
Wrapper from keras.layers.wrappers
TimeDistributed from keras.layers.wrappers
Bidirectional from keras.layers.wrappers
ConvRecurrent2D from keras.layers.convolutional_recurrent
ConvLSTM2D from keras.layers.convolutional_recurrent
K from keras.backend
activations from keras.activations
initializations from keras.initializations
regularizers from keras.regularizers
constraints from keras.constraints
ActivityRegularizer from keras.regularizers
func_dump from keras.utils.generic_utils
func_load from keras.utils.generic_utils
conv_output_length from keras.utils.np_utils
conv_input_length from keras.utils.np_utils
[keras.layers.advanced_activations]
class LeakyReLU(alpha=0.3, **kwargs)
class PReLU(init='zero', weights=None, **kwargs)
class ELU(alpha=1.0, **kwargs)
class ParametricSoftplus(alpha_init=0.2, beta_init=5.0, weights=None, **kwargs)
class ThresholdedReLU(theta=1.0, **kwargs)
class SReLU(t_left_init='zero', a_left_init='glorot_uniform', t_right_init='glorot_uniform', a_right_init='one',
    **kwargs)
[keras.layers.convolutional]
class Convolution1D(nb_filter, filter_length, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample_length=1, W_regularizer=None, b_regularizer=None, activity_regularizer=None,
    W_constraint=None, b_constraint=None, bias=True, input_dim=None, input_length=None, **kwargs)
class AtrousConvolution1D(nb_filter, filter_length, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample_length=1, atrous_rate=1, W_regularizer=None, b_regularizer=None,
    activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
class Convolution2D(nb_filter, nb_row, nb_col, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample=(1, 1), dim_ordering='default', W_regularizer=None, b_regularizer=None,
    activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
class Deconvolution2D(nb_filter, nb_row, nb_col, output_shape, init='glorot_uniform', activation=None,
    weights=None, border_mode='valid', subsample=(1, 1), dim_ordering='default', W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
class AtrousConvolution2D(nb_filter, nb_row, nb_col, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample=(1, 1), atrous_rate=(1, 1), dim_ordering='default', W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
class SeparableConvolution2D(nb_filter, nb_row, nb_col, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample=(1, 1), depth_multiplier=1, dim_ordering='default',
    depthwise_regularizer=None, pointwise_regularizer=None, b_regularizer=None, activity_regularizer=None,
    depthwise_constraint=None, pointwise_constraint=None, b_constraint=None, bias=True, **kwargs)
class Convolution3D(nb_filter, kernel_dim1, kernel_dim2, kernel_dim3, init='glorot_uniform', activation=None,
    weights=None, border_mode='valid', subsample=(1, 1, 1), dim_ordering='default', W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
class UpSampling1D(length=2, **kwargs)
class UpSampling2D(size=(2, 2), dim_ordering='default', **kwargs)
class UpSampling3D(size=(2, 2, 2), dim_ordering='default', **kwargs)
class ZeroPadding1D(padding=1, **kwargs)
class ZeroPadding2D(padding=(1, 1), dim_ordering='default', **kwargs)
class ZeroPadding3D(padding=(1, 1, 1), dim_ordering='default', **kwargs)
class Cropping1D(cropping=(1, 1), **kwargs)
class Cropping2D(cropping=((0, 0), (0, 0)), dim_ordering='default', **kwargs)
class Cropping3D(cropping=((1, 1), (1, 1), (1, 1)), dim_ordering='default', **kwargs)
Conv1D = Convolution1D
Conv2D = Convolution2D
Conv3D = Convolution3D
Deconv2D = Deconvolution2D
AtrousConv1D = AtrousConvolution1D
AtrousConv2D = AtrousConvolution2D
SeparableConv2D = SeparableConvolution2D
[keras.layers.convolutional_recurrent]
class ConvRecurrent2D(weights=None, nb_row=None, nb_col=None, nb_filter=None, return_sequences=False,
    go_backwards=False, stateful=False, dim_ordering=None, **kwargs)
class ConvLSTM2D(nb_filter, nb_row, nb_col, init='glorot_uniform', inner_init='orthogonal',
    forget_bias_init='one', activation='tanh', inner_activation='hard_sigmoid', dim_ordering='default',
    border_mode='valid', subsample=(1, 1), W_regularizer=None, U_regularizer=None, b_regularizer=None,
    dropout_W=0.0, dropout_U=0.0, **kwargs)
[keras.layers.core]
class Masking(mask_value=0.0, **kwargs)
class Dropout(p, **kwargs)
class SpatialDropout1D(p, **kwargs)
class SpatialDropout2D(p, dim_ordering='default', **kwargs)
class SpatialDropout3D(p, dim_ordering='default', **kwargs)
class Activation(activation, **kwargs)
class Reshape(target_shape, **kwargs)
class Permute(dims, **kwargs)
class Flatten(**kwargs)
class RepeatVector(n, **kwargs)
class Lambda(function, output_shape=None, arguments={}, **kwargs)
class Dense(output_dim, init='glorot_uniform', activation=None, weights=None, W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True,
    input_dim=None, **kwargs)
class ActivityRegularization(l1=0.0, l2=0.0, **kwargs)
class MaxoutDense(output_dim, nb_feature=4, init='glorot_uniform', weights=None, W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True,
    input_dim=None, **kwargs)
class Highway(init='glorot_uniform', transform_bias=-2, activation=None, weights=None, W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True,
    input_dim=None, **kwargs)
class TimeDistributedDense(output_dim, init='glorot_uniform', activation=None, weights=None, W_regularizer=None,
    b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True,
    input_dim=None, input_length=None, **kwargs)
[keras.layers.embeddings]
class Embedding(input_dim, output_dim, init='uniform', input_length=None, W_regularizer=None,
    activity_regularizer=None, W_constraint=None, mask_zero=False, weights=None, dropout=0.0, **kwargs)
[keras.layers.local]
class LocallyConnected1D(nb_filter, filter_length, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample_length=1, W_regularizer=None, b_regularizer=None, activity_regularizer=None,
    W_constraint=None, b_constraint=None, bias=True, input_dim=None, input_length=None, **kwargs)
class LocallyConnected2D(nb_filter, nb_row, nb_col, init='glorot_uniform', activation=None, weights=None,
    border_mode='valid', subsample=(1, 1), dim_ordering='default', W_regularizer=None, b_regularizer=None,
    activity_regularizer=None, W_constraint=None, b_constraint=None, bias=True, **kwargs)
[keras.layers.noise]
class GaussianNoise(sigma, **kwargs)
class GaussianDropout(p, **kwargs)
[keras.layers.normalization]
class BatchNormalization(epsilon=1e-05, mode=0, axis=-1, momentum=0.99, weights=None, beta_init='zero',
    gamma_init='one', gamma_regularizer=None, beta_regularizer=None, **kwargs)
[keras.layers.pooling]
class MaxPooling1D(pool_length=2, stride=None, border_mode='valid', **kwargs)
class AveragePooling1D(pool_length=2, stride=None, border_mode='valid', **kwargs)
class MaxPooling2D(pool_size=(2, 2), strides=None, border_mode='valid', dim_ordering='default', **kwargs)
class AveragePooling2D(pool_size=(2, 2), strides=None, border_mode='valid', dim_ordering='default', **kwargs)
class MaxPooling3D(pool_size=(2, 2, 2), strides=None, border_mode='valid', dim_ordering='default', **kwargs)
class AveragePooling3D(pool_size=(2, 2, 2), strides=None, border_mode='valid', dim_ordering='default', **kwargs)
class GlobalAveragePooling1D
class GlobalMaxPooling1D
class GlobalAveragePooling2D(dim_ordering='default', **kwargs)
class GlobalMaxPooling2D(dim_ordering='default', **kwargs)
class GlobalAveragePooling3D(dim_ordering='default', **kwargs)
class GlobalMaxPooling3D(dim_ordering='default', **kwargs)
[keras.layers.recurrent]
time_distributed_dense(x, w, b=None, dropout=None, input_dim=None, output_dim=None, timesteps=None)
class Recurrent(weights=None, return_sequences=False, go_backwards=False, stateful=False, unroll=False,
    consume_less='cpu', input_dim=None, input_length=None, **kwargs)
class SimpleRNN(output_dim, init='glorot_uniform', inner_init='orthogonal', activation='tanh',
    W_regularizer=None, U_regularizer=None, b_regularizer=None, dropout_W=0.0, dropout_U=0.0, **kwargs)
class GRU(output_dim, init='glorot_uniform', inner_init='orthogonal', activation='tanh',
    inner_activation='hard_sigmoid', W_regularizer=None, U_regularizer=None, b_regularizer=None, dropout_W=0.0,
    dropout_U=0.0, **kwargs)
class LSTM(output_dim, init='glorot_uniform', inner_init='orthogonal', forget_bias_init='one',
    activation='tanh', inner_activation='hard_sigmoid', W_regularizer=None, U_regularizer=None,
    b_regularizer=None, dropout_W=0.0, dropout_U=0.0, **kwargs)
[keras.layers.wrappers]
class Wrapper(layer, **kwargs)
class TimeDistributed(layer, **kwargs)
class Bidirectional(layer, merge_mode='concat', weights=None, **kwargs)
[keras.preprocessing]
[keras.preprocessing.image]
random_rotation(x, rg, row_index=1, col_index=2, channel_index=0, fill_mode='nearest', cval=0.0)
random_shift(x, wrg, hrg, row_index=1, col_index=2, channel_index=0, fill_mode='nearest', cval=0.0)
random_shear(x, intensity, row_index=1, col_index=2, channel_index=0, fill_mode='nearest', cval=0.0)
random_zoom(x, zoom_range, row_index=1, col_index=2, channel_index=0, fill_mode='nearest', cval=0.0)
random_barrel_transform(x, intensity)
random_channel_shift(x, intensity, channel_index=0)
transform_matrix_offset_center(matrix, x, y)
apply_transform(x, transform_matrix, channel_index=0, fill_mode='nearest', cval=0.0)
flip_axis(x, axis)
array_to_img(x, dim_ordering='default', scale=True)
img_to_array(img, dim_ordering='default')
load_img(path, grayscale=False, target_size=None)
list_pictures(directory, ext='jpg|jpeg|bmp|png')
class ImageDataGenerator(featurewise_center=False, samplewise_center=False, featurewise_std_normalization=False,
    samplewise_std_normalization=False, zca_whitening=False, rotation_range=0.0, width_shift_range=0.0,
    height_shift_range=0.0, shear_range=0.0, zoom_range=0.0, channel_shift_range=0.0, fill_mode='nearest',
    cval=0.0, horizontal_flip=False, vertical_flip=False, rescale=None, dim_ordering='default')
class Iterator(N, batch_size, shuffle, seed)
class NumpyArrayIterator(X, y, image_data_generator, batch_size=32, shuffle=False, seed=None,
    dim_ordering='default', save_to_dir=None, save_prefix='', save_format='jpeg')
class DirectoryIterator(directory, image_data_generator, target_size=(256, 256), color_mode='rgb',
    dim_ordering='default', classes=None, class_mode='categorical', batch_size=32, shuffle=True, seed=None,
    save_to_dir=None, save_prefix='', save_format='jpeg')
[keras.preprocessing.sequence]
pad_sequences(sequences, maxlen=None, dtype='int32', padding='pre', truncating='pre', value=0.0)
make_sampling_table(size, sampling_factor=1e-05)
skipgrams(sequence, vocabulary_size, window_size=4, negative_samples=1.0, shuffle=True, categorical=False,
    sampling_table=None)
[keras.preprocessing.text]
base_filter()
text_to_word_sequence(text, filters=base_filter(), lower=True, split=' ')
one_hot(text, n, filters=base_filter(), lower=True, split=' ')
class Tokenizer(nb_words=None, filters=base_filter(), lower=True, split=' ', char_level=False)
[keras.utils]
[keras.utils.data_utils]
get_file(fname, origin, untar=False, md5_hash=None, cache_subdir='datasets')
validate_file(fpath, md5_hash)
[keras.utils.generic_utils]
get_from_module(identifier, module_params, module_name, instantiate=False, kwargs=None)
make_tuple(*args)
func_dump(func)
func_load(code, defaults=None, closure=None, globs=None)
func_reconstruct_closure(values)
class Progbar(target, width=30, verbose=1, interval=0.01)
display_table(rows, positions)
[keras.utils.io_utils]
class HDF5Matrix(datapath, dataset, start=0, end=None, normalizer=None)
save_array(array, name)
load_array(name)
ask_to_proceed_with_overwrite(filepath)
[keras.utils.layer_utils]
layer_from_config(config, custom_objects={})
print_summary(layers, relevant_nodes=None, line_length=100, positions=[0.33, 0.55, 0.67, 1.0])
convert_all_kernels_in_model(model)
[keras.utils.np_utils]
to_categorical(y, nb_classes=None)
normalize(a, axis=-1, order=2)
binary_logloss(p, y)
multiclass_logloss(P, Y)
accuracy(p, y)
probas_to_classes(y_pred)
categorical_probas_to_classes(p)
convert_kernel(kernel, dim_ordering='default')
conv_output_length(input_length, filter_size, border_mode, stride, dilation=1)
conv_input_length(output_length, filter_size, border_mode, stride)
[keras.utils.test_utils]
get_test_data(nb_train=1000, nb_test=500, input_shape=(10,), output_shape=(2,), classification=True, nb_class=2)
layer_test(layer_cls, kwargs={}, input_shape=None, input_dtype=None, input_data=None, expected_output=None,
    expected_output_dtype=None, fixed_batch_size=False)
keras_test(func)
[keras.utils.visualize_util]
model_to_dot(model, show_shapes=False, show_layer_names=True)
plot(model, to_file='model.png', show_shapes=False, show_layer_names=True)
[keras.wrappers]
[keras.wrappers.scikit_learn]
class BaseWrapper(build_fn=None, **sk_params)
class KerasClassifier
class KerasRegressor
"""
