"""Adaptation: SymNet and SEED losses, the ablation ladder, the training loop, resume, and a label-free health check."""

from harness.adaptation.checkpoint import CheckpointError
from harness.adaptation.foresight import Foresight, look_ahead
from harness.adaptation.hardware import Hardware, TrainDevice, TrainingError, TrainPrecision, find_hardware
from harness.adaptation.health import Health, check_health, examine
from harness.adaptation.settings import DEPLOYED_HEAD, METHODS, AdaptationSettings, Confidence, Method
from harness.adaptation.standalone import train_apart
from harness.adaptation.training import AdaptationDiverged, train

__all__ = [
    "DEPLOYED_HEAD",
    "METHODS",
    "AdaptationDiverged",
    "AdaptationSettings",
    "CheckpointError",
    "Confidence",
    "Foresight",
    "Hardware",
    "Health",
    "Method",
    "TrainDevice",
    "TrainPrecision",
    "TrainingError",
    "check_health",
    "examine",
    "find_hardware",
    "look_ahead",
    "train",
    "train_apart",
]
