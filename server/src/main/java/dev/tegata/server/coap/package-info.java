// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// EST over CoAP with DTLS 1.2 (RFC 9148). The only package that knows Californium.
@NullMarked
package dev.tegata.server.coap;

import org.jspecify.annotations.NullMarked;
