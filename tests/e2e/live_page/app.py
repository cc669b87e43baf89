"""The real routes around the page beside this file."""

import streamlit as st

from pages.server.lifespan import lifespan, routes

app = st.App("shell.py", routes=routes(), lifespan=lifespan)
