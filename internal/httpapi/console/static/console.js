// The pages work without this script. It asks before what is hard to undo, sends a form
// only once, and keeps the figures of an open page new.
'use strict';

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-confirm]');
  if (button && !window.confirm(button.dataset.confirm)) event.preventDefault();
});

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = 'yes';
});

// A page from the browser's cache is a new one.
window.addEventListener('pageshow', () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// An element with an id and data-live="SECONDS" is replaced by its successor on the same
// page, as often as it says, while the page is visible.
const live = document.querySelector('[data-live]');
if (live) {
  setInterval(async () => {
    if (document.hidden || !document.querySelector('[data-live]')) return;
    const response = await fetch(location.href).catch(() => null);
    if (!response || !response.ok || response.redirected) return;
    const next = new DOMParser().parseFromString(await response.text(), 'text/html');
    for (const element of document.querySelectorAll('[data-live]')) {
      const successor = next.getElementById(element.id);
      if (!successor || element.contains(document.activeElement)) continue;
      const details = successor.querySelectorAll('details'); // what the person has opened stays open
      element.querySelectorAll('details').forEach((one, i) => { if (details[i]) details[i].open = one.open; });
      element.replaceWith(successor);
    }
  }, Number(live.dataset.live) * 1000);
}

// An element with data-when="NAME=CHOICE CHOICE" is shown while the form's field has one
// of the choices.
function showChosen(form) {
  for (const element of form.querySelectorAll('[data-when]')) {
    const [name, choices] = element.dataset.when.split('=');
    element.hidden = !choices.split(' ').includes(form.elements[name].value);
  }
}
for (const form of document.forms) showChosen(form);
document.addEventListener('change', (event) => { if (event.target.form) showChosen(event.target.form); });

// Only a script can print.
for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => window.print());
}

// A page that shows something once is not asked for again when it is loaded again: the
// address in data-reload is.
const shown = document.querySelector('[data-reload]');
if (shown) history.replaceState(null, '', shown.dataset.reload);

// A button with data-copy="ID" copies the text of that element. Browsers allow this only
// over TLS and on the own machine.
for (const button of document.querySelectorAll('button[data-copy]')) {
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.copied;
  });
}

// parts returns an amount that is typed with so many decimals in its smallest unit, or
// null. BigInt keeps it exact. The till uses it, too.
const parts = (text, decimals) => {
  const match = text.trim().match(/^(\d+)(?:\.(\d*))?$/);
  if (!match || (match[2] || '').length > decimals) return null;
  return BigInt(match[1] + (match[2] || '').padEnd(decimals, '0'));
};
const decimal = (n, decimals) => {
  const digits = n.toString().padStart(decimals + 1, '0');
  return decimals ? digits.slice(0, -decimals) + '.' + digits.slice(-decimals) : digits;
};

// showTotals shows beside a form what the amounts in its fields with data-total, or else
// their placeholders, will make of the totals. data-decimals is the number of decimals.
function showTotals(form) {
  const output = form && form.querySelector('output[data-give]');
  if (!output) return;
  const lines = [];
  for (const input of form.querySelectorAll('[data-total]')) {
    const decimals = Number(input.dataset.decimals || 0);
    const n = parts(input.value.trim() || input.placeholder, decimals);
    if (n === null || n === 0n) continue;
    const total = BigInt(input.dataset.total);
    const taken = n > total ? output.dataset.short : decimal(total - n, decimals);
    lines.push(`${input.labels[0].textContent.trim()} ${decimal(total, decimals)} · ${output.dataset.give} ${decimal(total + n, decimals)} · ${output.dataset.take} ${taken}`);
  }
  output.textContent = lines.join('\n');
}
document.addEventListener('input', (event) => showTotals(event.target.form));
