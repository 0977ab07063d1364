"""Found by every interpreter under `trax-otel run`: starts telemetry, and whatever sitecustomize was there before."""

import os
import sys

_SAID = "_TRAX_SAID_FOREIGN"


def _run_existing():
    """The sitecustomize that this one hides still runs, under its own name."""
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path or ".") != here]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if found is None or found.loader is None:
        return
    module = importlib.util.module_from_spec(found)
    sys.modules["sitecustomize"] = module
    found.loader.exec_module(module)


def _start():
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return  # before anything is imported: disabled costs nothing
    try:
        from trax_otel.instrumentation.start import start
    except Exception as error:
        for name in ("TRACER", "METER", "LOGGER"):  # set for programs that have trax_otel
            if os.environ.get("OTEL_PYTHON_%s_PROVIDER" % name) == "trax":
                del os.environ["OTEL_PYTHON_%s_PROVIDER" % name]
        missing = isinstance(error, ImportError) and (getattr(error, "name", None) or "").startswith("trax_otel")
        advice = " Install trax-otel into the same environment." if missing else ""
        if not os.environ.get(_SAID):
            os.environ[_SAID] = "1"
            sys.stderr.write(
                "trax-otel: %s cannot import trax_otel (%s: %s): it runs without telemetry.%s\n"
                % (sys.executable, type(error).__name__, error, advice)
            )
        return
    start()


try:
    _run_existing()
finally:
    _start()
