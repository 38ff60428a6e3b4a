"""What Streamlit runs for ``tumorlens app``; alone in its folder, which Streamlit imports from."""

from __future__ import annotations

from tumorlens.app.frame import main

# Streamlit runs it as the main module; processes that an audit starts import it under another name.
if __name__ == "__main__":
    main()
