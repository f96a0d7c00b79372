// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Jobs: long work that shows how far it is, can be cancelled, and survives the process that began it.
/// Start at `Jobs`.
@NullMarked
package dev.tegata.platform.job;

import org.jspecify.annotations.NullMarked;
