"""What a run trains on: chosen from the machine, said in one line."""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Hardware:
    """A device and the precision that it really has."""

    device: str
    precision: str
    description: str

    def arguments(self) -> dict[str, bool]:
        """The trainer arguments that say so."""
        return {
            "use_cpu": self.device == "cpu",
            "bf16": self.precision == "bfloat16",
            "fp16": self.precision == "float16",
            "dataloader_pin_memory": self.device != "cpu",
        }


def pick_hardware(accelerator: str) -> Hardware:
    """The CPU for ``cpu``; for ``auto`` a CUDA device if there is one.

    bfloat16 is used where the device has it in hardware; a T4 claims it but emulates it, and gets
    float16.
    """
    if accelerator == "cpu" or not torch.cuda.is_available():
        return Hardware("cpu", "float32", "CPU, float32")
    real = torch.cuda.is_bf16_supported(including_emulation=False)
    precision = "bfloat16" if real else "float16"
    return Hardware("cuda", precision, f"{torch.cuda.get_device_name()}, {precision}")


def autocast(
    device: torch.device | str, mixed: bool = True, cache_enabled: bool = True
) -> contextlib.AbstractContextManager[object]:
    """Matrix products in bfloat16, if asked and where the device has it in hardware.

    Args:
        device: where the model is.
        mixed: whether rounding is wanted at all.
        cache_enabled: keep the rounded weights between calls within the context; a CUDA graph must
            round them anew on every replay.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        real = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # since torch 2.9
        real = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    return torch.autocast(kind, torch.bfloat16, enabled=mixed and real, cache_enabled=cache_enabled)


def choose_tier(tier: str) -> str:
    """The tier asked for; for ``auto`` what suits the machine: ``small`` with a CUDA device."""
    if tier != "auto":
        return tier
    return "small" if torch.cuda.is_available() else "tiny"
