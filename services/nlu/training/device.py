"""Where a model is trained: on the processor, or on a GPU."""

from __future__ import annotations

import torch

from shared.errors import InvalidInput

CPU = torch.device("cpu")
AUTO = "auto"


def device_of(name: str) -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1"); AUTO is the first GPU where there is one.

    Raises InvalidInput for a name torch does not know, and for a GPU that this machine has not.
    """
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidInput("--device", name, "is no device; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise InvalidInput("--device", name, "is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        remedy = f"is not here ({torch.cuda.device_count()} found); use cpu, or a machine and a torch build with CUDA"
        raise InvalidInput("--device", name, remedy)
    return device


def computes_in_half(device: torch.device) -> bool:
    """Whether `device` is faster in bfloat16 than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
