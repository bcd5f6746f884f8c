"""One measured figure, the bare minimum beside it, and the floor it has to meet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """`floor` and `ratio_floor` are upper bounds, or lower ones where `higher_is_better`."""

    name: str
    value: float
    unit: str
    bare: float | None = None
    floor: float | None = None
    ratio_floor: float | None = None
    higher_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours over the bare minimum."""
        return None if self.bare is None else self.value / self.bare

    @property
    def met(self) -> bool:
        """True where every floor is met."""
        return self._meets(self.value, self.floor) and self._meets(self.ratio, self.ratio_floor)

    @property
    def floor_text(self) -> str:
        """The floors as people write them."""
        sign = ">" if self.higher_is_better else "<"
        parts = [] if self.floor is None else [f"{sign} {self.floor:g} {self.unit}"]
        return ", ".join(parts + ([] if self.ratio_floor is None else [f"ratio {sign} {self.ratio_floor:g}"]))

    def as_dict(self) -> dict[str, Any]:
        """Everything, ratio and verdict included."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}

    def _meets(self, value: float | None, floor: float | None) -> bool:
        if floor is None or value is None:
            return True
        return value >= floor if self.higher_is_better else value <= floor
