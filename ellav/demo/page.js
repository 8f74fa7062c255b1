'use strict';
(() => {
  const of = (element, kind) => element.closest('.ellav-speech')?.querySelector(kind);
  const follow = audio => {
    const plot = of(audio, '.plot');
    if (!plot) return;
    const head = plot.querySelector('.head'), box = plot.parentElement;
    const rate = Number(plot.dataset.pixelsPerSecond), left = head.offsetLeft;
    const step = () => {
      const x = audio.currentTime * rate;
      head.style.transform = `translateX(${x}px)`;
      head.classList.add('on');
      if (audio.paused || !audio.isConnected) return;
      if (left + x > box.scrollLeft + box.clientWidth - 40) box.scrollLeft = left + x - 60;
      requestAnimationFrame(step);
    };
    step();
  };
  // Media events do not bubble, but are seen on their way down.
  document.addEventListener('play', event => {
    for (const other of document.querySelectorAll('audio')) if (other !== event.target) other.pause();
    follow(event.target);
  }, true);
  // With autoplay alone a browser waits until it thinks that it will never have to wait again.
  document.addEventListener('canplay', event => event.target.autoplay && event.target.play().catch(() => {}), true);
  document.addEventListener('seeked', event => follow(event.target), true);
  document.addEventListener('click', event => {
    const plot = event.target.closest?.('.ellav-speech .plot');
    if (!plot) return;
    const word = event.target.dataset.word;
    if (word !== undefined) {
      const part = plot.closest('.ellav-part');
      part?.querySelectorAll('.ellav-words input')[Number(word)]?.click();
      return;
    }
    const audio = of(plot, 'audio'), left = plot.querySelector('.head').offsetLeft;
    const x = event.clientX - plot.getBoundingClientRect().left - left;
    audio.currentTime = Math.max(0, x / Number(plot.dataset.pixelsPerSecond));
    audio.play();
  });
})();
