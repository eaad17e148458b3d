"""What the documents of Keras say, item by item: the programs of `documents_checklist.txt`, each in its dialects.

They run on the reference executor: what is asked here is what the names mean, not how they are computed.
"""

import re
from pathlib import Path

import numpy as np
import pytest

import symgraph
from symgraph import backend as K
from symgraph import install
from symgraph.runtime import executor

HERE = Path(__file__).parent
VERSIONS = {1: "1.1.2", 2: "2.3.1"}


def items():
    """(names, dialect, program) of each block of the list."""
    found = []
    for block in re.split(r"^## ", (HERE / "documents_checklist.txt").read_text(), flags=re.MULTILINE)[1:]:
        title, program = block.split("\n", 1)
        names, dialects = title.rsplit(" @ ", 1)
        found += [pytest.param(int(dialect), program, id=f"{names[:60]}-{dialect}") for dialect in dialects.split()]
    return found


@pytest.fixture(autouse=True)
def keras_by_itself(monkeypatch):
    layout = K.image_data_format()
    install.uninstall()
    with executor.use("numpy"):
        yield
    install.uninstall()
    K.set_image_data_format(layout)


def helpers(dialect, folder):
    """What every program finds: the names of `keras.layers`, and four questions about a layer."""
    names: dict = {}
    exec("import numpy as np, keras\nfrom keras import backend as K\nfrom keras.layers import *\n"
         "from keras.models import Model, Sequential\nfrom keras.regularizers import l2\n", names)
    models, wrapped = names["Sequential"], names["Input"]

    def first(layer, *sizes):
        return layer(wrapped(sizes))

    def shape(layer, *sizes):
        return first(layer, *sizes)._keras_shape

    def values(layer, x):
        x = np.asarray(x, "float32")
        if isinstance(layer, models):
            return layer.predict(x)
        source = wrapped(x.shape[1:])
        return names["Model"](source, layer(source)).predict(x)

    def training(layer, x):
        source = wrapped(np.shape(x)[1:])
        return names["K"].function([source, names["K"].learning_phase()], [layer(source)])([x, 1])[0]

    def raises(error, text, call):
        with pytest.raises(error, match=text):
            call()

    return {**names, "dialect": dialect, "folder": str(folder), "shape": shape, "values": values, "training": training,
            "raises": raises}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dialect, program", items())
def test_the_documents(dialect, program, tmp_path):
    symgraph.install_as_keras(VERSIONS[dialect])
    exec(compile(program, "documents_checklist.txt", "exec"), helpers(dialect, tmp_path))
