// The pages work without this script. It asks before what is hard to undo, and sends a
// form only once.
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
