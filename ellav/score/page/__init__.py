"""report.html: an experiment as one page to read, look at and listen to.

curves.py draws what training logged, speech.py gathers what was recorded and synthesized,
pictures.py makes spectrograms and players of it, page.css and page.js are its look and its one script,
build.py puts the page together.
"""
