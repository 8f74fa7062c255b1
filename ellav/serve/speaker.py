"""The thread that owns the models: what other threads ask for waits in line, and is then spoken side by side."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from greenlet import GreenletExit, greenlet

from ellav.infer.synthesizer import Synthesizer
from ellav.serve.shared import SharedEngine

PARTS = 4
"""Parts of a long text that are worked on together: NAR model and codec take their time while nobody else goes on."""

IDLE = 0.05  # s; how long the thread waits at most where nothing can go on
RECENT = 32  # jobs whose length tells how long the next ones will take


class QueueFullError(Exception):
    """As many wait as may. seconds: after which it is worth trying again, at least 1."""

    def __init__(self, seconds: int):
        super().__init__(f"busy; try again in {seconds} s")
        self.seconds = seconds


class TookTooLongError(Exception):
    """The job's time was over before it had ended."""


class ClosedError(Exception):
    """The speaker was closed before the job had ended."""


END = object()
"""What is delivered last, where nothing failed."""


@dataclass(eq=False)
class Job:
    """work: given the voice, yields what is delivered, item by item. deliver: called in the speaker's thread with each,
    then with END, or with the exception that ended it. deadline: by `time.monotonic`."""

    work: Callable[[Synthesizer], Iterable]
    deliver: Callable[[object], None]
    deadline: float
    began: float = 0.0
    reason: Exception | None = None  # why it is to end early
    cancelled: bool = False
    ready: Callable[[], bool] | None = None  # what its greenlet waits for
    greenlet: greenlet | None = field(default=None, repr=False)


class Speaker:
    """Runs jobs with `voice`, whose engine it takes over.

    slots: scripts decoded at once, and jobs that are under way at once. queue: jobs that wait at most. timeout: seconds
    from `submit` on after which a job is ended.
    """

    def __init__(self, voice: Synthesizer, slots: int = 16, queue: int = 64, timeout: float = 120.0):
        self.voice, self.slots, self.queue, self.timeout = voice, slots, queue, timeout
        self.shared = SharedEngine(voice.pipeline.engine, slots)
        voice.pipeline.engine = self.shared
        voice.pipeline.group = PARTS
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._recent: deque[float] = deque([1.0], RECENT)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Jobs in line."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Jobs under way."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether the thread is there still."""
        return self._thread.is_alive()

    def submit(self, work: Callable[[Synthesizer], Iterable], deliver: Callable[[object], None]) -> Job:
        """Have `work` done as soon as there is room. Raises QueueFullError."""
        job = Job(work, deliver, time.monotonic() + self.timeout)
        with self._changed:
            if self._closing:
                raise ClosedError("the server is ending")
            if self.waiting + self.running >= self.queue + self.slots:
                raise QueueFullError(self.seconds_to_wait())
            self._waiting.append(job)
            self._changed.notify()
        return job

    def seconds_to_wait(self) -> int:
        """About how long a job would wait now, at least 1."""
        each = sum(self._recent) / len(self._recent)
        return max(1, min(round(self.timeout), round(each * (1 + self.waiting) / self.slots)))

    def cancel(self, job: Job) -> None:
        """End a job that nobody waits for any more; one that has ended is no error."""
        job.cancelled = True
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """End all jobs, and the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self.voice.pipeline.engine = self.shared.engine

    def _run(self) -> None:
        try:
            while not self._closing:
                self._admit()
                self._end_early()
                moved = self._go_on()
                if self.shared.busy:
                    self._step()
                elif not moved:
                    with self._changed:
                        if not self._closing and not (self._waiting and self.running < self.slots):
                            self._changed.wait(IDLE if self._running else None)
        finally:  # whatever happened, nobody is left waiting
            with self._changed:
                self._closing = True
            for job in [*self._running, *self._waiting]:
                job.reason = ClosedError("the server is ending")
                self._end(job)

    def _admit(self) -> None:
        """Begin with jobs in line while there is room."""
        with self._changed:
            while self._waiting and self.running < self.slots:
                job = self._waiting.popleft()
                job.greenlet, job.ready, job.began = greenlet(_work), lambda: True, time.monotonic()
                self._running.append(job)

    def _end_early(self) -> None:
        """End what nobody waits for, and what has taken too long."""
        now = time.monotonic()
        for job in [*self._running, *self._waiting]:
            if job.cancelled or now > job.deadline:
                job.reason = TookTooLongError(f"not done within {self.timeout:g} s")
                self._end(job)

    def _end(self, job: Job) -> None:
        if job.greenlet is not None and job.greenlet:  # it has begun: what it holds is let go on the way out
            job.greenlet.throw(GreenletExit)
        else:
            job.deliver(job.reason)
        self._forget(job)

    def _forget(self, job: Job) -> None:
        with self._changed:
            for place in (self._running, self._waiting):
                if job in place:
                    place.remove(job)

    def _go_on(self) -> bool:
        """Go on with each job whose turn has come; whether there was one."""
        moved = False
        for job in list(self._running):
            if job.ready():
                moved = True
                job.ready = job.greenlet.switch(job, self.voice) if not job.greenlet else job.greenlet.switch()
                if job.greenlet.dead:
                    self._recent.append(time.monotonic() - job.began)
                    self._forget(job)
        return moved

    def _step(self) -> None:
        try:
            self.shared.step()
        except Exception as error:  # whoever's script it was: the state of all is lost with it
            for job in list(self._running):
                job.reason = error
                self._end(job)
            self.shared.begin_anew()


def _work(job: Job, voice: Synthesizer) -> None:
    """What a job's greenlet runs. Whatever is raised is delivered, and ends this job alone."""
    try:
        for item in job.work(voice):
            job.deliver(item)
    except GreenletExit:
        job.deliver(job.reason)
    except Exception as error:
        job.deliver(error)
    else:
        job.deliver(END)
