// The npm package `vnpay` (github.com/lehuygiang28/vnpay), asked what it would send and what it believes.
import { calculateSecureHash, buildPaymentUrlSearchParams, dateFormat, getDateInGMT7, VNPay } from "vnpay";

const HOSTS = {
  sandbox: {},
  production: {
    vnpayHost: "https://pay.vnpay.vn",
    paymentEndpoint: "vpcpay.html",
    queryDrAndRefundHost: "https://merchant.vnpay.vn",
  },
};

const client = ({ tmnCode, hashSecret, environment }) =>
  new VNPay({ tmnCode, secureSecret: hashSecret, ...HOSTS[environment] });

/** The 14 digits of an instant (epoch milliseconds). */
export const digits = (epoch) => String(dateFormat(getDateInGMT7(new Date(epoch))));

/** vnp_Amount in VND: the package multiplies. */
export const paymentUrl = (account, fields) => client(account).buildPaymentUrl(fields);

/** What the package sends, and what it makes of that answer. */
async function exchanged(answer, ask) {
  const sent = {};
  globalThis.fetch = async (url, { method, headers, body }) => {
    Object.assign(sent, { url: String(url), method, headers, body: JSON.parse(body) });
    return Response.json(answer);
  };
  const believed = await ask();
  return { ...sent, believed };
}

export const query = (account, fields, answer) => exchanged(answer, () => client(account).queryDr(fields));

/** vnp_Amount in VND: the package multiplies. */
export const refund = (account, fields, answer) => exchanged(answer, () => client(account).refund(fields));

/** The hash of a notification with these fields. */
export const signed = ({ hashSecret }, fields) =>
  calculateSecureHash({
    secureSecret: hashSecret,
    data: buildPaymentUrlSearchParams(fields).toString(),
    hashAlgorithm: "SHA512",
    bufferEncode: "utf-8",
  });

export const notified = (account, fields) => client(account).verifyIpnCall(fields);
