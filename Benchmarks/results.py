"""What was measured: medians of all rounds, their spread, and ratios."""

import statistics

LATENCIES = ("p50", "p90", "p99")


class Series:
    """One figure of one scenario, a value for each round."""

    def __init__(self, values: list[float]):
        self._values = values

    @property
    def median(self) -> float:
        return statistics.median(self._values)

    def over(self, other: "Series") -> "Series":
        """The ratio within each round: a machine whose speed drifts is the same in both."""
        pairs = zip(self._values, other._values, strict=True)
        return Series([mine / its if its else float("inf") for mine, its in pairs])

    def text(self, form: str, unit: str = "") -> str:
        """The median, and where there were several rounds the least and the most."""
        text = f"{self.median:{form}}{unit}"
        if len(self._values) > 1:
            text += f" ({min(self._values):{form}} to {max(self._values):{form}})"
        return text


class Results:
    """All rounds of all scenarios of one build; those of the baselines are every build's."""

    def __init__(self, rounds: dict[str, list[dict]]):
        self._rounds = rounds

    def __contains__(self, scenario: str) -> bool:
        return scenario in self._rounds

    def series(self, scenario: str, path: str) -> Series | None:
        """The figure at a path such as latency_ms.p99; None where it was not measured."""
        try:
            return Series([_find(result, path) for result in self._rounds[scenario]])
        except (KeyError, IndexError):
            return None

    def text(self, scenario: str, path: str, form: str, unit: str = "") -> str:
        found = self.series(scenario, path)
        return found.text(form, unit) if found else ""

    def words(self, scenario: str, name: str) -> str:
        return ", ".join(dict.fromkeys(one.get(name, "") for one in self._rounds[scenario]))

    def total(self, scenario: str, path: str) -> float:
        """The sum over all rounds, where each single one matters."""
        return sum(_find(result, path) for result in self._rounds[scenario])

    def share_sealed(self, scenario: str) -> Series:
        all_outcomes = [result["outcomes"] for result in self._rounds[scenario]]
        return Series([one.get("sealed", 0) / sum(one.values()) for one in all_outcomes])

    def ratios(self, scenario: str, other: str, beside: "Results | None" = None) -> list[str]:
        """Events a second, p50, p90 and p99 over those of another scenario, or of another build."""
        paths = ["events_per_second", *(f"latency_ms.{part}" for part in LATENCIES)]
        pairs = [(self.series(scenario, p), (beside or self).series(other, p)) for p in paths]
        return [mine.over(its).text(".2f", "x") for mine, its in pairs]


def _find(value: dict | list, path: str):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
