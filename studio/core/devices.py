"""On which devices and machines a run works, and how its work is divided among them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from studio.core.options import OptionValue, list_names
from studio.errors import Problem

LOCAL_HOSTS = ("", "127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Devices:
    """`ids` are the devices of each machine, or numbers of processes on a CPU; `master` is the first machine."""

    kind: str = "cpu"
    ids: tuple[str, ...] = ("0",)
    machines: int = 1
    master: str = ""
    port: int = 8080

    @property
    def total(self) -> int:
        return len(self.ids) * self.machines


def asked_devices(options: Mapping[str, OptionValue]) -> Devices:
    """The devices of checked options; where any will do, the first ones stand for them."""
    count = int(options["device_count"])
    ids = named_devices(options) or tuple(str(number) for number in range(count))
    kind, master = str(options["device"]), str(options["master_addr"])
    return Devices(kind, ids, int(options["machines"]), master, int(options["master_port"]))


def named_devices(options: Mapping[str, OptionValue]) -> tuple[str, ...]:
    """The numbers of the devices that were asked for by number; `00` is 0."""
    names = list_names(str(options["device_ids"]))
    return tuple(str(int(name)) if name.isdecimal() else name for name in names)


def count_copies(options: Mapping[str, OptionValue]) -> int:
    """How many copies of the model each see other rows of a step: devices over tensor and pipeline parts."""
    parts = int(options["tensor_model_parallel_size"]) * int(options["pipeline_model_parallel_size"])
    return max(1, asked_devices(options).total // parts)


def device_problems(options: Mapping[str, OptionValue], gpus: Sequence[str]) -> Iterator[Problem]:
    """Why these devices cannot work together; `gpus` are the numbers of those that the studio may use."""
    devices = asked_devices(options)
    named = named_devices(options)
    tensor, pipeline = int(options["tensor_model_parallel_size"]), int(options["pipeline_model_parallel_size"])
    sharding = max(1, int(options["sharding_parallel_size"])) if options["sharding"] != "none" else 1
    if named and len(named) != int(options["device_count"]):
        yield Problem("device_ids", "device_ids_count", {"count": len(named), "devices": options["device_count"]})
    if len(set(named)) < len(named):
        yield Problem("device_ids", "device_named_twice", {"given": ", ".join(named)})
    if devices.kind == "gpu":
        unknown = [name for name in named if name not in gpus]
        if not gpus:
            yield Problem("device", "no_gpu")
        elif unknown:
            known = ", ".join(gpus)
            yield Problem("device_ids", "unknown_device", {"given": ", ".join(unknown), "known": known})
        elif len(devices.ids) > len(gpus):
            yield Problem("device_count", "too_few_gpus", {"given": len(devices.ids), "gpus": len(gpus)})
    elif tensor * pipeline > 1 or sharding > 1:
        yield Problem("tensor_model_parallel_size", "parts_need_gpus")
    if devices.total % (tensor * pipeline * sharding):
        values = {"tensor": tensor, "pipeline": pipeline, "sharding": sharding, "total": devices.total}
        yield Problem("tensor_model_parallel_size", "parts_do_not_divide", values)
    if options["sequence_parallel"] and tensor == 1:
        yield Problem("sequence_parallel", "sequence_needs_tensor")
    if devices.machines > 1 and devices.master in LOCAL_HOSTS:
        yield Problem("master_addr", "machines_need_address", {"machines": devices.machines})
