"""`python app.py` with one more route, `/empty`, which answers `{}`: what the server's own routes are compared with."""

if __name__ == "__main__":  # as in app.py: patched before anything else is imported
    import warnings

    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import runpy

import jobsync


def main():
    """Serve as app.py does, with an app that has the route."""
    create_app = jobsync.create_app

    def with_empty_route(*arguments, **options):
        app = create_app(*arguments, **options)
        app.add_url_rule("/empty", "empty", dict)
        return app

    jobsync.create_app = with_empty_route
    runpy.run_path("app.py", run_name="__main__")


if __name__ == "__main__":
    main()
