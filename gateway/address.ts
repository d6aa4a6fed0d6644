import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';

// Who is calling, for those who show no credential.

/** Where a request comes from: what the first proxy says if proxies are believed, else who connected. */
export function addressOf({ headers, socket }: IncomingMessage, trustProxy: boolean): string {
  const connected = socket.remoteAddress ?? '';
  if (!trustProxy) return connected;
  const [first = ''] = String(headers['x-forwarded-for'] ?? '').split(',', 1);
  return isIP(first.trim()) === 0 ? connected : first.trim();
}

/** The address; of an IPv6 one the first 64 bits, since whoever has one address of such a network has all. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]?.split('::') ?? [];
  const groupsOf = (text = '') =>
    text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, ''));
  const [before, after] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}
