"""PyTorch: eager, or with `torch.compile` (option "compile"): the loss with its gradients, and the optimizer's step.

Images lie channels last, as its documents advise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import workloads as described
from torch import nn
from torch.nn import functional
from workloads import Layer, Network, Workload


def load(threads: int) -> str:
    """Set the number of threads; returns the version."""
    torch.set_num_threads(threads)
    return torch.__version__


class _Flatten(nn.Module):
    """Rows of height, width, channels, as the weights of the next layer are ordered: a view of channels-last memory."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _LastState(nn.Module):
    """An LSTM that returns the output of its last step."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        self.lstm.bias_hh_l0.requires_grad_(False)  # Keras has one bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[1][0][-1]


class _GlobalAverage(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def _activation(name: str) -> list[nn.Module]:
    """ReLU; what stands at the end of a network belongs to the loss or to `_finished`."""
    return [nn.ReLU(inplace=True)] if name == "relu" else []


def _modules(layer: Layer, given: tuple[int, ...]) -> list[nn.Module]:
    if layer.kind == "dense":
        return [nn.Linear(given[-1], layer.units), *_activation(layer.activation)]
    if layer.kind == "conv":
        padding = layer.size // 2 if layer.same else 0
        convolution = nn.Conv2d(given[-1], layer.units, layer.size, layer.stride, padding)
        return [convolution, *_activation(layer.activation)]
    if layer.kind == "lstm":
        return [_LastState(given[-1], layer.units)]
    if layer.kind == "embedding":
        return [nn.Embedding(layer.rows, layer.units)]
    if layer.kind == "batch_norm":
        return [nn.BatchNorm2d(given[-1], eps=1.001e-5, momentum=0.01)]
    if layer.kind == "max_pool":
        return [nn.MaxPool2d(layer.size, layer.stride)]
    if layer.kind == "pad":
        return [nn.ZeroPad2d(layer.size)]
    if layer.kind == "dropout":
        return [nn.Dropout(layer.rate)]
    if layer.kind == "activation":
        return _activation(layer.activation)
    return [_GlobalAverage() if layer.kind == "global_average" else _Flatten()]


class _Graph(nn.Module):
    """A network whose layers read others than the one before."""

    def __init__(self, network: Network, built: Sequence[list[nn.Module]]) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Sequential(*modules) for modules in built])
        self.plan = [(layer.name, network.inputs_of(k)) for k, layer in enumerate(network.layers)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        known = {"": x}
        for part, (name, inputs) in zip(self.parts, self.plan):
            x = part(known[inputs[0]]) if len(inputs) == 1 else known[inputs[0]] + known[inputs[1]]
            known[name] = x
        return x


def _give_weights(module: nn.Module, values: list[np.ndarray]) -> None:
    """Copy weights in the layout of Keras into a module."""
    arrays = [torch.from_numpy(value) for value in values]
    with torch.no_grad():
        if isinstance(module, _LastState):
            module.lstm.weight_ih_l0.copy_(arrays[0].T)
            module.lstm.weight_hh_l0.copy_(arrays[1].T)
            module.lstm.bias_ih_l0.copy_(arrays[2])
            module.lstm.bias_hh_l0.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.copy_(arrays[0])
        elif isinstance(module, nn.BatchNorm2d):
            targets = (module.weight, module.bias, module.running_mean, module.running_var)
            for target, array in zip(targets, arrays):
                target.copy_(array)
        else:
            module.weight.copy_(arrays[0].permute(3, 2, 0, 1) if arrays[0].ndim == 4 else arrays[0].T)
            module.bias.copy_(arrays[1])


def build(network: Network) -> nn.Module:
    """The network with its first weights, without the last activation."""
    known = described.shapes(network)
    built = [
        [] if layer.kind == "add" else _modules(layer, known[network.inputs_of(k)[0]])
        for k, layer in enumerate(network.layers)
    ]
    by_name = {layer.name: modules for layer, modules in zip(network.layers, built)}
    for name, values in described.weights(network):
        _give_weights(by_name[name][0], values)
    model: nn.Module = nn.Sequential(*sum(built, [])) if network.is_chain else _Graph(network, built)
    if len(network.shape) == 3:
        model = model.to(memory_format=torch.channels_last)
    return model


def _optimizer(name: str, rate: float, parameters: Any) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, fused=True)
    if name == "adam":
        return torch.optim.Adam(parameters, rate, eps=1e-7, fused=True)
    return torch.optim.RMSprop(parameters, rate, alpha=0.9, eps=1e-7)


def _image(x: np.ndarray) -> torch.Tensor:
    """Images as a tensor of channels-last memory, everything else as it is."""
    tensor = torch.from_numpy(x)
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def _trivial(x: torch.Tensor) -> torch.Tensor:
    return x * 2.0 + 1.0


def _elementwise(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x * 1.1 + 0.3) * torch.sigmoid(x) + torch.sqrt(torch.abs(x) + 1.0) - torch.exp(-x * x)


def _normalise(x: torch.Tensor) -> torch.Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).square().mean(-1, keepdim=True)
    return torch.softmax((x - mean) / torch.sqrt(variance + 1e-5), -1)


_FORMULAS = {"trivial": _trivial, "elementwise": _elementwise, "normalise": _normalise}


def prepare(workload: Workload, batch: int, option: str = "") -> Callable[[], Any]:
    """Build a workload; returns a function that does one step and returns its loss or result."""
    x, y = described.data(workload, batch)
    wrap: Callable[[Any], Any] = torch.compile if option == "compile" else lambda function: function
    network = workload.network
    if network is None or workload.mode == "predict":
        return _inference(workload, x, wrap)
    assert y is not None
    model = build(network)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _optimizer(workload.optimizer, workload.learning_rate, trained)
    targets = torch.from_numpy(y)

    def of_logits(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if workload.loss == "binary_crossentropy":
            return functional.binary_cross_entropy_with_logits(model(given), wanted)
        return functional.cross_entropy(model(given), wanted)

    loss_of, advance = wrap(of_logits), wrap(optimizer.step)
    inputs = _image(x)

    def one(given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(given, wanted)
        loss.backward()
        advance()
        return loss

    if workload.mode == "train":
        return lambda: one(inputs, targets).item()

    def epoch() -> float:
        total = torch.zeros(())
        for start in range(0, len(inputs), batch):
            total += one(inputs[start : start + batch], targets[start : start + batch]).detach()
        return total.item() * batch / len(inputs)

    return epoch


def _inference(workload: Workload, x: np.ndarray, wrap: Callable[[Any], Any]) -> Callable[[], Any]:
    if workload.network is None:
        function = wrap(_FORMULAS[workload.formula])
    else:
        model = build(workload.network).eval()
        last = {"softmax": lambda z: torch.softmax(z, -1), "sigmoid": torch.sigmoid}
        finish = last[workload.network.layers[-1].activation]
        if wrap is torch.compile:
            import torch._inductor.config as inductor

            inductor.freezing = True
        function = wrap(lambda given: finish(model(given)))
    inputs = _image(x)

    @torch.inference_mode()
    def step() -> np.ndarray:
        return function(inputs).numpy()

    if wrap is torch.compile:  # freezing works under no_grad only
        return torch.no_grad()(lambda: function(inputs).numpy())
    return step
