"""The pages in a real Chromium, on a real `python app.py`.

A package, so that its conftest.py and that of the folder above can live together.
"""
