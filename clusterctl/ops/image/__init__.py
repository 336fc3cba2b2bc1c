"""The base image, built on the cloud."""
