"""Ansible, run as the ``ansible-playbook`` program (D11)."""
