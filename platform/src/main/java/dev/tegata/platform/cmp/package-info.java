// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// What CMP must remember between the messages of one transaction.
@NullMarked
package dev.tegata.platform.cmp;

import org.jspecify.annotations.NullMarked;
