// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// server
@NullMarked
package dev.tegata.server;

import org.jspecify.annotations.NullMarked;
