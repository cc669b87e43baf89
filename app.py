"""The web server: `streamlit run app.py`.

Streamlit draws `pages/shell.py` for every visitor. Around it are the live charts' WebSocket and files (routes), the
visitor's cookie, security headers, the preloading of those files, and Streamlit's own files (middleware), and the supervisor
that trains runs (lifespan).
"""

import streamlit as st
from starlette.middleware import Middleware

from pages.server.lifespan import lifespan, routes
from pages.server.preload import Preload
from pages.server.security import Security
from pages.server.streamlit_files import StreamlitFiles
from pages.server.visitor import VisitorCookie

app = st.App(
    "pages/shell.py",
    routes=routes(),
    middleware=[
        Middleware(Security),
        Middleware(StreamlitFiles),
        Middleware(VisitorCookie),
        Middleware(Preload),
    ],
    lifespan=lifespan,
)
