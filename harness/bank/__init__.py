"""Model bank: slimmable layers and backbones, heads, batch-norm re-estimation, cutting subnets, save and load."""

from harness.bank.baseline import BaselineError, BaselineNetwork, create_baseline
from harness.bank.baseline_storage import Baseline, has_baseline, load_baseline, save_baseline
from harness.bank.heads import Head, Heads, Outputs
from harness.bank.layers import (
    Layer,
    Normalisation,
    SlimmableBatchNorm2d,
    SlimmableConv2d,
    SlimmableDepthwiseConv2d,
    SlimmableLinear,
    Statistics,
)
from harness.bank.model_bank import BankError, BankSpec, ModelBank, create_bank, known_model
from harness.bank.models import MODELS
from harness.bank.pretrained import Start, start_from, weights_digest
from harness.bank.resnet import SlimmableResNet
from harness.bank.standalone import StandaloneBank, create_standalone_bank
from harness.bank.state_dicts import state_digest
from harness.bank.steps import Step
from harness.bank.storage import load_bank, save_bank
from harness.space import Architecture, arch_id, encode

__all__ = [
    "MODELS",
    "Architecture",
    "BankError",
    "BankSpec",
    "Baseline",
    "BaselineError",
    "BaselineNetwork",
    "Head",
    "Heads",
    "Layer",
    "ModelBank",
    "Normalisation",
    "Outputs",
    "SlimmableBatchNorm2d",
    "SlimmableConv2d",
    "SlimmableDepthwiseConv2d",
    "SlimmableLinear",
    "SlimmableResNet",
    "StandaloneBank",
    "Start",
    "Statistics",
    "Step",
    "arch_id",
    "create_bank",
    "create_baseline",
    "create_standalone_bank",
    "encode",
    "has_baseline",
    "known_model",
    "load_bank",
    "load_baseline",
    "save_bank",
    "save_baseline",
    "start_from",
    "state_digest",
    "weights_digest",
]
