"""The web server: `streamlit run app.py`."""

import streamlit as st
from starlette.middleware import Middleware

from pages.preload import Preload
from pages.service import api, lifespan
from pages.visitor import VisitorCookie

app = st.App(
    "pages/shell.py",
    routes=api.routes(),
    middleware=[Middleware(VisitorCookie), Middleware(Preload)],
    lifespan=lifespan,
)
