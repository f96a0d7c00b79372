// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// CMP (RFC 9810, in the lightweight profile of RFC 9483) over HTTP (RFC 9811).
@NullMarked
package dev.tegata.server.cmp;

import org.jspecify.annotations.NullMarked;
