"""The real routes around the page beside this file."""

import streamlit as st

from pages.server.lifespan import api, lifespan

app = st.App("shell.py", routes=api.routes(), lifespan=lifespan)
