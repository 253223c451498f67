// A form that only carries something on is sent once the page is there, without a click. No module, so that browsers
// that know none send it too; and not run again when a browser shows the page as it was left.
(function () {
  var form = document.querySelector("form[data-sent-by-itself]");
  if (form) form.submit();
})();
