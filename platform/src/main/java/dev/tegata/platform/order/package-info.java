// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Orders: what devices are told to do, from being placed until a result is seen or they expire.
@NullMarked
package dev.tegata.platform.order;

import org.jspecify.annotations.NullMarked;
