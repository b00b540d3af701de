"""What a run trains on: chosen from the machine, said in one line."""

from dataclasses import dataclass

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


def choose_tier(tier: str) -> str:
    """The tier asked for; for ``auto`` what suits the machine: ``colab`` with a CUDA device."""
    if tier != "auto":
        return tier
    return "colab" if torch.cuda.is_available() else "tiny"
