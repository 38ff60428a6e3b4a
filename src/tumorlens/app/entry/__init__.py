"""The folder that Streamlit imports from; nothing but the script that it runs."""
