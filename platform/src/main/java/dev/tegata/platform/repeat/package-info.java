// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Requests that are sent more than once.
@NullMarked
package dev.tegata.platform.repeat;

import org.jspecify.annotations.NullMarked;
