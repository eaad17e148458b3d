"""`TensorBoard`: logs that TensorBoard shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from symgraph import backend as K
from symgraph.callbacks.base import Callback
from symgraph.utils.event_files import EventWriter

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes event files for TensorBoard; see them with `tensorboard --logdir=LOG_DIR`.

    # Arguments
        log_dir: folder of the files.
        histogram_freq: write histograms of the weights and of the layers' outputs (for the validation data) every so
            many epochs, which needs validation data as arrays; 0: never.
        batch_size: samples of the validation data that the outputs and gradients are computed for.
        write_graph: write the graph of the layers.
        write_grads: write histograms of the gradients with those of the weights.
        write_images: write the weights as images with their histograms.
        embeddings_freq: write the vectors of Embedding layers for the projector every so many epochs; 0: never.
        embeddings_layer_names: names of the layers; default: every Embedding layer.
        embeddings_metadata: file name with the labels of the vectors, or a dictionary of them by layer name.
        embeddings_data: not needed: what is written are the layers' weights.
        update_freq: 'epoch', 'batch', or a number of samples after which the values of a batch are written.
    """

    def __init__(self, log_dir: Any = "./logs", histogram_freq: int = 0, batch_size: int | None = 32,
                 write_graph: bool = True, write_grads: bool = False, write_images: bool = False,
                 embeddings_freq: int = 0, embeddings_layer_names: list | None = None, embeddings_metadata: Any = None,
                 embeddings_data: Any = None, update_freq: Any = "epoch"):
        super().__init__()
        self.log_dir, self.histogram_freq, self.batch_size = log_dir, histogram_freq, batch_size or 32
        self.write_graph, self.write_grads, self.write_images = write_graph, write_grads, write_images
        self.embeddings_freq, self.embeddings_layer_names = embeddings_freq, embeddings_layer_names
        self.embeddings_metadata, self.embeddings_data = embeddings_metadata or {}, embeddings_data
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.samples_seen = self.samples_seen_at_last_write = 0
        self._writer: EventWriter | None = None
        self._functions: dict[str, Any] = {}

    def on_train_begin(self, logs=None):
        self._writer = EventWriter(self.log_dir)
        self._functions = {}
        if self.write_graph:
            self._writer.graph(_layer_graph(self.model))

    def on_batch_end(self, batch, logs=None):
        if self.update_freq == "epoch":
            return
        logs = logs or {}
        self.samples_seen += logs.get("size", 1)
        if self.samples_seen - self.samples_seen_at_last_write >= self.update_freq:
            self._write({f"batch_{name}": logs[name] for name in logs if name not in {"batch", "size"}},
                        self.samples_seen)
            self.samples_seen_at_last_write = self.samples_seen

    def on_epoch_end(self, epoch, logs=None):
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_histograms(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()
        self._write(logs or {}, epoch if self.update_freq == "epoch" else self.samples_seen)

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # ------------------------------------------------------------------------------------------ parts
    def _write(self, values: dict, step: int) -> None:
        numbers = {name: float(value) for name, value in values.items() if np.ndim(value) == 0}
        if self._writer is not None and numbers:
            self._writer.scalars(numbers, step)
            self._writer.flush()

    def _write_histograms(self, epoch: int) -> None:
        writer = self._writer
        assert writer is not None
        if self.validation_data is None:
            raise ValueError("TensorBoard: if printing histograms (histogram_freq), validation_data must be provided "
                             "as arrays, and cannot be a generator: the outputs of the layers are of that data.")
        grads = self._gradients() if self.write_grads else {}
        for layer in self.model.layers:
            for weight, value in zip(layer.weights, layer.get_weights()):
                name = weight.name.replace(":", "_")
                writer.histogram(name, value, epoch)
                if weight.name in grads:
                    writer.histogram(f"{name}_grad", grads[weight.name], epoch)
                if self.write_images and value.ndim:
                    writer.image(name, value.reshape(-1, value.shape[-1]) if value.ndim > 1 else value[None], epoch)
        for name, value in self._outputs().items():
            writer.histogram(f"{name}_out", value, epoch)

    def _batch(self) -> list:
        """A batch of the validation data: inputs, targets and sample weights."""
        return [np.asarray(array[:self.batch_size]) for array in self.validation_data]

    def _outputs(self) -> dict[str, np.ndarray]:
        """The outputs of the layers for a batch of the validation data."""
        batch = self._batch()
        pairs = [(layer.name, tensor) for layer in self.model.layers for node in layer._inbound_nodes[:1]
                 for tensor in node.output_tensors if node.inbound_layers]
        if "outputs" not in self._functions:
            self._functions["outputs"] = K.function(self.model.inputs, [tensor for _, tensor in pairs])
        values = self._functions["outputs"](batch[:len(self.model.inputs)])
        return {name: value for (name, _), value in zip(pairs, values)}

    def _gradients(self) -> dict[str, np.ndarray]:
        """The gradients of the weights for a batch of the validation data."""
        batch = self._batch()
        weights = self.model.trainable_weights
        if "gradients" not in self._functions:
            grads = self.model.optimizer.get_gradients(self.model.total_loss, weights)
            inputs = [*self.model._feed_inputs, *self.model.targets, *self.model.sample_weights]
            self._functions["gradients"] = K.function(inputs, grads)
        return {weight.name: value for weight, value in zip(weights, self._functions["gradients"](batch))}

    def _write_embeddings(self) -> None:
        names = self.embeddings_layer_names
        chosen = [layer for layer in self.model.layers
                  if (type(layer).__name__ == "Embedding" if names is None else layer.name in names)]
        entries = []
        for layer in chosen:
            vectors = layer.get_weights()[0]
            path = Path(self.log_dir) / f"{layer.name}.tsv"
            np.savetxt(path, vectors.reshape(vectors.shape[0], -1), delimiter="\t", fmt="%.7g")
            labels = self.embeddings_metadata
            labels = labels.get(layer.name) if isinstance(labels, dict) else labels
            lines = [f'  tensor_name: "{layer.name}"', f'  tensor_path: "{path.name}"']
            if labels:
                lines.append(f'  metadata_path: "{labels}"')
            entries.append("embeddings {\n" + "\n".join(lines) + "\n}\n")
        (Path(self.log_dir) / "projector_config.pbtxt").write_text("".join(entries))


def _layer_graph(model: Any) -> list[tuple[str, str, list[str]]]:
    """The layers of a model: name, class, and the layers each reads."""
    nodes = []
    for layer in model.layers:
        inbound = [source for node in layer._inbound_nodes for source in node.inbound_layers if source is not None]
        nodes.append((layer.name, type(layer).__name__, list(dict.fromkeys(source.name for source in inbound))))
    known = {name for name, _, _ in nodes}
    missing = dict.fromkeys(source for _, _, inputs in nodes for source in inputs if source not in known)
    return [(name, "InputLayer", []) for name in missing] + nodes
