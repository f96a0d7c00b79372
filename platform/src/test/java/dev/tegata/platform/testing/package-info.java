// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What tests of this module and of those above it share: a database of their own, and a clock to turn.
@NullMarked
package dev.tegata.platform.testing;

import org.jspecify.annotations.NullMarked;
