'use strict';
const players = [...document.querySelectorAll('audio')];
for (const audio of players) {
  audio.addEventListener('play', () => players.forEach(other => other === audio || other.pause()));
}
for (const speech of document.querySelectorAll('.speech')) {
  const audio = speech.querySelector('audio'), plot = speech.querySelector('.plot');
  if (!audio || !plot) continue;
  const head = plot.querySelector('.head'), box = plot.parentElement;
  const rate = Number(plot.dataset.pixelsPerSecond), left = head.offsetLeft;
  const follow = () => {
    const x = audio.currentTime * rate;
    head.style.transform = `translateX(${x}px)`;
    head.classList.add('on');
    if (!audio.paused) {
      if (left + x > box.scrollLeft + box.clientWidth - 40) box.scrollLeft = left + x - 60;
      requestAnimationFrame(follow);
    }
  };
  audio.addEventListener('play', follow);
  audio.addEventListener('seeked', follow);
  plot.addEventListener('click', event => {
    audio.currentTime = Math.max(0, (event.clientX - plot.getBoundingClientRect().left - left) / rate);
    audio.play();
  });
}
