from .settings import Settings
def answers(lab): return True
def start(lab, base): pass
