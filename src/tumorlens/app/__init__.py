"""The Streamlit app: drop scans on a page, read the answers, compare models, weigh a threshold."""
