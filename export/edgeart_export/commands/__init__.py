# SPDX-License-Identifier: Apache-2.0
"""The commands of `edgeart-export`, a module each; `collect` and `publish` have theirs."""
