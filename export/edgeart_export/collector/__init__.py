# SPDX-License-Identifier: Apache-2.0
"""Receives feedback batches over HTTP and lands them as Parquet; needs the extra `collector`.

`app.Collector` is the ASGI application, `server.serve` runs it, `landing.open_landing` and
`auth.TokenFile` are what it is given, `batch.decode` is of use without HTTP. Nothing is imported
here, so that the command can say what is missing where the extra is not installed.
"""
