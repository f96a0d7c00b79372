// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Measures Tegata beside what the machine itself can do. Each [Benchmark] is one row of `tegata bench --list`.
@NullMarked
package dev.tegata.bench;

import org.jspecify.annotations.NullMarked;
