"""The web server: `streamlit run app.py`."""

import streamlit as st
from starlette.middleware import Middleware

from pages.server.lifespan import lifespan, routes
from pages.server.preload import Preload
from pages.server.visitor import VisitorCookie

app = st.App(
    "pages/shell.py",
    routes=routes(),
    middleware=[Middleware(VisitorCookie), Middleware(Preload)],
    lifespan=lifespan,
)
