// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The command line: a client of the REST API, and the entry to the server and the demo.
@NullMarked
package dev.tegata.server.cli;

import org.jspecify.annotations.NullMarked;
