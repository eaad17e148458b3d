"""Callbacks: what a training run tells while it goes on, and what is done about it."""

from symgraph.callbacks.backup import BackupAndResume
from symgraph.callbacks.base import Callback, CallbackList
from symgraph.callbacks.monitors import EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau
from symgraph.callbacks.records import (
    BaseLogger,
    CSVLogger,
    History,
    LambdaCallback,
    ProgbarLogger,
    RemoteMonitor,
    TerminateOnNaN,
)
from symgraph.callbacks.tensorboard import TensorBoard
from symgraph.legacy.accept import accept_functions

__all__ = [
    "BackupAndResume", "BaseLogger", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
    "LambdaCallback", "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "RemoteMonitor",
    "TensorBoard", "TerminateOnNaN",
]

accept_functions(globals())  # the arguments that Keras 1 named otherwise
