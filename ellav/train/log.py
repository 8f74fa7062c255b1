"""Where training reports: TensorBoard, losses.tsv, and a bar or lines for people."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ellav.data.outputs import naming, write_text

LINE_SECONDS = 20


class Log:
    """Reports of one run. Only the first process has one.

    folder: gets losses.tsv (step, seconds, name, value) and tensorboard/.
    step: where the run starts; rows of later steps, from a run that was lost, are dropped. unit: what speed is
    counted in.
    """

    def __init__(self, folder: Path, title: str, step: int, unit: str = "tokens"):
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        except ImportError:
            self.board = None
            print("tensorboard is not installed: figures go to losses.tsv only (pip install ellav[train])")
        self.path = folder / "losses.tsv"
        kept = []
        if self.path.exists() and step:
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
            kept = [line for line in lines if line.endswith("\n") and int(line.split("\t")[0]) <= step]
        write_text(self.path, "step\tseconds\tname\tvalue\n" + "".join(kept))
        self._table = self.path.open("a", encoding="utf-8")
        self.title, self.unit, self.started, self.estimated = title, unit, time.monotonic(), False
        self.console = Console()
        self._bar, self._line = None, time.monotonic()
        if self.console.is_terminal:
            columns = (TextColumn(title), BarColumn(), TextColumn("{task.fields[note]}"))
            self._bar = Progress(*columns, console=self.console)
            self._task = self._bar.add_task(title, total=1.0, note="")
            self._bar.start()

    def scalars(self, step: int, seconds: float, figures: dict[str, float]) -> None:
        """Record figures such as `train/loss` at a step."""
        with naming(self.path):
            for name, value in figures.items():
                self._table.write(f"{step}\t{seconds:.1f}\t{name}\t{value!r}\n")
            self._table.flush()
        with naming(self.path.parent / "tensorboard"):
            for name, value in figures.items() if self.board else ():
                self.board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Put on disk what is recorded, before a checkpoint from which a later run goes on."""
        with naming(self.path.parent / "tensorboard"):
            if self.board:
                self.board.flush()

    def progress(self, step: int, share: float, begun_at: float, loss: float, speed: float) -> None:
        """Show how far the run is. begun_at: the share that was done when it (re)started. speed: units
        a second."""
        passed = time.monotonic() - self.started
        left = passed * (1 - share) / (share - begun_at) if share > begun_at else float("nan")
        note = f"step {step}  loss {loss:.3f}  {speed:,.0f} {self.unit}/s  {share:.0%}  {clock(left)} left"
        if self._bar:
            self._bar.update(self._task, completed=share, note=note)
        elif time.monotonic() - self._line >= LINE_SECONDS:
            self._line = time.monotonic()
            self.say(f"{self.title}: {note}")
        if not self.estimated and passed > 30 and share > begun_at:
            self.estimated = True
            self.say(f"{self.title}: about {clock(passed + left)} in all on this machine")

    def say(self, line: str) -> None:
        """A line for people, above the bar."""
        if self._bar:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Flush and end the bar."""
        if self._bar:
            self._bar.stop()
        with naming(self.path):
            self._table.close()
        with naming(self.path.parent / "tensorboard"):
            if self.board:
                self.board.close()


def clock(seconds: float) -> str:
    """Seconds as 12 s, 3:05 or 1:02:03."""
    if seconds != seconds:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
