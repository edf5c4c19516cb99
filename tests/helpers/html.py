"""Pages as a browser without scripts has them."""

from html.parser import HTMLParser

VOID = {"input", "link", "meta", "br", "hr", "img", "path", "circle", "use", "rect"}


class Element:
    """An element of a page: its tag, its attributes (True for one without a value), its parent
    and all its text.
    """

    def __init__(self, tag, attributes, parent):
        self.tag, self.parent, self.children, self.texts = tag, parent, [], []
        self.attributes = {name: True if value is None else value for name, value in attributes}
        if parent:
            parent.children.append(self)

    def __getitem__(self, name):
        return self.attributes.get(name)

    @property
    def text(self):
        return " ".join("".join(self.texts).split())

    @property
    def is_shown(self):
        return not self["hidden"] and (self.parent is None or self.parent.is_shown)

    def walk(self):
        for child in self.children:
            yield child
            yield from child.walk()

    def all(self, tag=None, **attributes):
        """Return the elements within that have that tag and these attributes (`data_step="a"`;
        True: any value).
        """
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.walk()
            if tag in (None, element.tag)
            and all(
                element[name] == value or (value is True and name in element.attributes)
                for name, value in wanted.items()
            )
        ]

    def one(self, tag=None, **attributes):
        (element,) = self.all(tag, **attributes)
        return element


class Reader(HTMLParser):
    """Makes Elements of HTML, and refuses what isn't closed rightly."""

    def __init__(self, html):
        super().__init__()
        self.root = self.now = Element("root", [], None)
        self.feed(html)
        self.close()
        assert self.now is self.root, f"<{self.now.tag}> is not closed"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs, self.now)
        if tag not in VOID:
            self.now = element

    def handle_startendtag(self, tag, attrs):
        Element(tag, attrs, self.now)

    def handle_endtag(self, tag):
        assert self.now.tag == tag, f"</{tag}> closes <{self.now.tag}>"
        self.now = self.now.parent

    def handle_data(self, data):
        element = self.now
        while element:
            element.texts.append(data)
            element = element.parent


class Browser:
    def __init__(self, client):
        self.client = client
        self.response = None

    def get(self, path, status=200, **options):
        return self._read(self.client.get(path, **options), status)

    def post(self, path, status=200, **fields):
        return self._read(self.client.post(path, data=fields), status)

    def follow(self, path, **fields):
        """Post a form and return the address that the browser is sent to."""
        response = self.client.post(path, data=fields)
        assert response.status_code == 303, response.text
        return response.headers["Location"]

    def _read(self, response, status):
        self.response = response
        assert response.status_code == status, response.text
        assert response.mimetype == "text/html"
        return Reader(response.text).root


def hooks(page):
    """Return the job's hooks and those of its steps, as the page has them."""
    job = page.one(data_job_id=True)
    names = ("data-step", "data-status", "data-log-count", "data-child-count")
    return (job["data-job-id"], job["data-status"], job["data-revision"]), [
        tuple(step[name] for name in names) for step in page.all(data_step=True)
    ]


def numbers(page, step="a"):
    return [int(row["data-line"]) for row in page.one(data_step=step).all(data_line=True)]
