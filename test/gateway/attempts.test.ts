import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressOf, networkOf } from '../../gateway/address.ts';
import { createAttempts, mostFailures } from '../../gateway/attempts.ts';

function attemptsAt() {
  const time = { now: 1_000_000 };
  const attempts = createAttempts(() => time.now);
  const fail = (address: string, times: number) => {
    for (let n = 0; n < times; n++) attempts.failed(address);
  };
  return { time, attempts, fail };
}

describe('wrong credentials of an address', () => {
  it('are looked at until there were too many, and again after a while', () => {
    const { time, attempts, fail } = attemptsAt();
    fail('10.0.0.1', mostFailures - 1);
    expect(attempts.waitSeconds('10.0.0.1')).toBe(0);
    fail('10.0.0.1', 1);
    expect(attempts.waitSeconds('10.0.0.1')).toBe(1);
    time.now += 1_000;
    expect(attempts.waitSeconds('10.0.0.1')).toBe(0);
    fail('10.0.0.1', 1);
    expect(attempts.waitSeconds('10.0.0.1')).toBe(1);
  });

  it('cost no more than a minute, however many there were', () => {
    const { time, attempts, fail } = attemptsAt();
    fail('10.0.0.1', 100_000);
    expect(attempts.waitSeconds('10.0.0.1')).toBe(60);
    time.now += 60_000;
    expect(attempts.waitSeconds('10.0.0.1')).toBe(0);
  });

  it('are nothing to another address', () => {
    const { attempts, fail } = attemptsAt();
    fail('10.0.0.1', mostFailures);
    expect(attempts.waitSeconds('10.0.0.2')).toBe(0);
  });

  it('are forgotten for those furthest back when there are very many addresses', () => {
    const { attempts, fail } = attemptsAt();
    fail('10.0.0.1', mostFailures);
    for (let n = 0; n < 10_000; n++) attempts.failed(`11.0.${n >> 8}.${n & 255}`);
    expect(attempts.waitSeconds('10.0.0.1')).toBe(0);
  });
});

describe('the network of an address', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1'],
    ['2001:0db8::1', '2001:db8:0:0'],
    ['2001:db8:0:1::', '2001:db8:0:1'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ])('of %s is %s', (address, network) => expect(networkOf(address)).toBe(network));
});

describe('the address of a request', () => {
  const request = (forwarded?: string) =>
    ({
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
      socket: { remoteAddress: '10.0.0.1' },
    }) as unknown as IncomingMessage;

  it.each([
    ['203.0.113.7', true, '203.0.113.7'],
    ['203.0.113.7, 10.0.0.9', true, '203.0.113.7'],
    ['2001:db8::1', true, '2001:db8::1'],
    ['203.0.113.7', false, '10.0.0.1'],
    ['nonsense', true, '10.0.0.1'],
    [undefined, true, '10.0.0.1'],
  ])('that was forwarded for %s, proxies believed: %s, is %s', (forwarded, trusted, address) =>
    expect(addressOf(request(forwarded), trusted)).toBe(address),
  );
});
