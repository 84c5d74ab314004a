"""The asynchronous part of netbooting: composes images, roots and servers, and tells the engine."""
